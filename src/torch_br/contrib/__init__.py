"""`from torch_br.contrib import transfer_to_supa`: programs that say "cuda" run on the virtual device."""
