"""The routes, one file per family; each makes a router from the gateway's parts."""
