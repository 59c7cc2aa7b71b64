"""What memkit measures of itself: how well it finds (`locomo`) and how fast it is (`bench`).

Everything goes through the public face, as a user's calls do, and is returned as plain values that become JSON.
"""
