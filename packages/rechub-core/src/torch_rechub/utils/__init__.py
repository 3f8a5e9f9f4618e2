"""Import paths of scripts for 0.9; the modules re-export names of the other packages."""
