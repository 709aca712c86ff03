"""The checks of the contract, a file for each kind; importing a file adds its checks to the registry."""
