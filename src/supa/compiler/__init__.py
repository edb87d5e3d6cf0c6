"""The compiler: front ends, passes on the tile IR, native code and the work entry. Sees neither timing nor runtime."""
