// Imported to link jemalloc in front of glibc, whose malloc it then stands in for. Declares nothing: its own functions are
// looked up at run time, so that everything else is built alike with it and without it.
