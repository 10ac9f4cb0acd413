"""
Bytes to core objects and back; nothing here computes.

Sampling output is read leniently: `stat` reads stat files to columns,
`runs` finds run folders and joins their rows into one `ModelTable`,
`rmf_paths` finds the RMF file a row names, and `rmf` reads, writes and clones
RMF3 files. What is whole is used; the rest is counted in a `Losses`.

Results are written whole or not at all: `matrix` (distances), `mrc`
(densities), `pdb` and `cif` (coordinates), `store` (JSON and CSV).
"""
