"""Pages about finished runs, made from run folders alone: `page` reports one run, `compare` sets runs side by side.

Nothing here loads TensorFlow; `compare` loads Matplotlib only when it writes its page.
"""
