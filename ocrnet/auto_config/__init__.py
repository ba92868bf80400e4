"""A set of params that fits a folder and a machine: what is found in the data, and the rules that turn it into numbers.

`label_values`, `facts` and `found_set` look at the data, `machine` and `memory` at the machine; `classes`, `sizes` and
`rules` choose the values, each with its reason; `text` writes them, and `timing` measures what they cost.
"""
