"""The texts of mini-GLUE, a module for each kind: facts and what may be said of them, with gold labels."""
