// The one entrypoint: picks the program, runs it, and is the only place that ends the process.
process.stdout.write("ten\n");
