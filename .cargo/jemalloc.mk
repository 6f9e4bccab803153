# Read by make before the makefile of jemalloc (see config.toml). jemalloc compiles each of its files three times: for a list of
# its names, for a library that nobody links, and for the one that is linked. Only the last is needed. Its code stays the same;
# without debugging information it is a thirtieth of the size.

# The list of names, with which it gives its inner functions a prefix, so that a program could contain it twice. This one has it
# once; if another library had a function of the same name, the linker would refuse the second.
override C_SYMS = /dev/null

# The library that is linked.
override STATIC_LIBS = lib/libjemalloc_pic.a
%.pic.o: CPPFLAGS += -g0
