# Read by make before the makefile of jemalloc (see config.toml). jemalloc compiles each of its files three times: for a list of
# its names, for a library that nobody links, and for the one that is linked. Only the last needs to be fast. Its code stays the
# same, byte for byte; without debugging information it is a thirtieth of the size.

# The list of names.
%.sym.o: CPPFLAGS += -O0 -g0

# The library that is linked.
override STATIC_LIBS = lib/libjemalloc_pic.a
%.pic.o: CPPFLAGS += -g0
