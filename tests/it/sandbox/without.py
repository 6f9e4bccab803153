"""Runs a program for which the kernel does not have some system calls.

Arguments: the numbers of the calls, with commas between them; the program; its arguments.
"""
import ctypes, os, struct, sys

numbers = [int(number) for number in sys.argv[1].split(",")]
LOAD, EQUAL, RETURN, ALLOW, NOSYS = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000 | 38
program = [(LOAD, 0, 0, 0)]
for number in numbers:
    program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, NOSYS)]
program.append((RETURN, 0, 0, ALLOW))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


libc = ctypes.CDLL(None, use_errno=True)
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
filter = Program(len(program), ctypes.addressof(code))
for arguments in [(NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SET_SECCOMP, FILTER, ctypes.byref(filter), 0, 0)]:
    if libc.prctl(*arguments) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[2], sys.argv[2:])
