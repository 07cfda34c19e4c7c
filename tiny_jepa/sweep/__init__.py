"""Many runs, by many processes and machines: a file of rows, each trained and scored with several seeds."""
