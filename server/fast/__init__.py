"""The fast path: everything that uses private parts of aiohttp, all of it in this folder.

Ordinary requests take it; aiohttp serves all others. At the start `compatibility` tests whether the installed aiohttp
is as expected here. If it is not, or if `[windsock] fast_path` is False, plain aiohttp serves everything: with the same
answers, only slower. Modules outside of this folder import only `use`. `server.http.shortcuts` has what `server.http`
needs of it.

- `connection`: serves the requests of a connection
- `dispatch`: from a request to its answer
- `whole_answers`: makes and writes an answer in one step
- `use`: decides whether this process takes the fast path

`feeding` is not about speed: it is used if the few names that it needs exist.
"""
