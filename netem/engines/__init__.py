"""The two engines that carry an impairment out, behind one port."""
