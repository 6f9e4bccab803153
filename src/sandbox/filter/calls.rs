//! The system calls that tlsgate makes after its start, and those that the C library may make for it. Must not know: how they
//! are filtered.
//!
//! The list is what `strace -f` shows over everything that the tests do, and what glibc of Debian 12 and 13 makes instead on
//! other kernels.

use std::collections::BTreeMap;

use libc::c_long;

use super::program::{NOSYS, Rule};

/// The rules for this process.
pub(super) fn rules() -> BTreeMap<u32, Rule> {
    let own = std::process::id();
    let plain = FIRST.iter().chain(NETWORK).chain(FILES).chain(MEMORY).chain(THREADS).chain(FACTS).chain(OLD);
    let mut rules: BTreeMap<u32, Rule> = plain.map(|call| (number(*call), Rule::Allow)).collect();
    rules.extend(SINCE_424.iter().map(|call| (*call, Rule::Allow)));
    // As on a kernel without them: glibc then does it with calls whose arguments can be seen.
    rules.extend([CLONE3, OPENAT2, libc::SYS_pidfd_open].map(|call| (number(call), Rule::Fail(NOSYS))));
    rules.extend(arguments(own).into_iter().map(|(call, rule)| (number(call), rule)));
    rules
}

/// The numbers of the most frequent calls.
pub(super) fn first() -> Vec<u32> {
    FIRST.iter().map(|call| number(*call)).collect()
}

/// Calls that are allowed with some arguments only.
fn arguments(own: u32) -> Vec<(c_long, Rule)> {
    let one_of = |argument, values: &[u32]| Rule::OneOf { argument, values: values.to_vec() };
    // PROT_EXEC: no code is loaded after the start.
    let no_code = Rule::Bits { argument: 2, mask: libc::PROT_EXEC.cast_unsigned(), values: vec![0] };
    // A thread, and no new namespace of any kind.
    let thread = Rule::Bits {
        argument: 0,
        mask: (libc::CLONE_THREAD | libc::CLONE_VM | NAMESPACES).cast_unsigned(),
        values: vec![(libc::CLONE_THREAD | libc::CLONE_VM).cast_unsigned()],
    };
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6].map(i32::cast_unsigned);
    // No raw sockets, which could read and forge packets: the capability that connecting from foreign addresses takes is theirs too.
    let types = [libc::SOCK_STREAM, libc::SOCK_DGRAM].map(i32::cast_unsigned).to_vec();
    let socket = Rule::All(vec![one_of(0, &families), Rule::Bits { argument: 1, mask: SOCKET_TYPE, values: types }]);
    // Not signals to the owner of a descriptor: the owner could be any process of this user.
    let signals = [libc::F_SETOWN, F_SETSIG, F_SETOWN_EX].map(i32::cast_unsigned);
    let names = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA, libc::PR_GET_DUMPABLE].map(i32::cast_unsigned);
    // Landlock does not look at permissions: whoever runs a file with these bits gets the rights of its owner.
    let no_set_id = |argument| Rule::Bits { argument, mask: libc::S_ISUID | libc::S_ISGID, values: vec![0] };
    vec![
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_chmod, no_set_id(1)),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, no_set_id(2)),
        (libc::SYS_openat, no_set_id(3)),
        (libc::SYS_fchmod, no_set_id(1)),
        (libc::SYS_fchmodat, no_set_id(2)),
        (FCHMODAT2, no_set_id(2)),
        (libc::SYS_mmap, no_code.clone()),
        (libc::SYS_mprotect, no_code),
        (libc::SYS_clone, thread),
        (libc::SYS_socket, socket),
        (libc::SYS_socketpair, one_of(0, &families[..1])),
        (libc::SYS_ioctl, one_of(1, &IOCTLS)),
        (libc::SYS_fcntl, Rule::NoneOf { argument: 1, values: signals.to_vec() }),
        (libc::SYS_prctl, one_of(0, &names)),
        (libc::SYS_tgkill, one_of(0, &[own])),
        (libc::SYS_prlimit64, one_of(0, &[0, own])),
    ]
}

fn number(call: c_long) -> u32 {
    // All numbers are small and positive.
    u32::try_from(call).unwrap_or(u32::MAX)
}

/// What a connection costs again and again; the order is that of the filter.
const FIRST: &[c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_readv,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_splice,
    libc::SYS_futex,
    libc::SYS_epoll_ctl,
    libc::SYS_accept4,
    libc::SYS_close,
    libc::SYS_epoll_pwait,
];

/// Not `listen`: the monitor does that.
const NETWORK: &[c_long] = &[
    libc::SYS_accept,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvmmsg,
    libc::SYS_sendmmsg,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// Which of them may be opened is decided by Landlock.
const FILES: &[c_long] = &[
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_eventfd2,
    libc::SYS_faccessat,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_rm_watch,
    libc::SYS_linkat,
    libc::SYS_lseek,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_readlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_sendfile,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlinkat,
    libc::SYS_syncfs,
    libc::SYS_tee,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    // The monitor's end is noticed by it.
    libc::SYS_wait4,
    libc::SYS_waitid,
];

const MEMORY: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mremap,
    libc::SYS_munlock,
    libc::SYS_munmap,
];

/// And signals, which a thread handles, and its own time.
const THREADS: &[c_long] = &[
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_get_robust_list,
    libc::SYS_getpriority,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setpriority,
    libc::SYS_sigaltstack,
];

/// What a process can know of itself and of the machine.
const FACTS: &[c_long] = &[
    libc::SYS_capget,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
];

/// Forms of the above that newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_eventfd,
    libc::SYS_getdents,
    libc::SYS_getrlimit,
    libc::SYS_inotify_init,
    libc::SYS_link,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_setrlimit,
    libc::SYS_stat,
    libc::SYS_symlink,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[c_long] = &[];

/// Calls that are newer than the C library's headers, by number, which is the same on each architecture: close_range,
/// faccessat2, epoll_pwait2, futex_waitv, futex_wake, futex_wait, futex_requeue.
const SINCE_424: &[u32] = &[436, 439, 441, 449, 454, 455, 456];

const CLONE3: c_long = 435;
const OPENAT2: c_long = 437;
const FCHMODAT2: c_long = 452;

/// CLONE_NEWNS and all others (clone(2)).
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// What is asked of descriptors: how much can be read and what is not sent yet (SIOCINQ, SIOCOUTQ), not to wait, and whether
/// it is a terminal. Nothing that types into a terminal or changes a device.
const IOCTLS: [u32; 7] = [0x541B, 0x5411, 0x5421, 0x5450, 0x5451, 0x5401, 0x5413];

/// What of the second argument is the type; the rest is flags (SOCK_TYPE_MASK in linux/net.h).
const SOCKET_TYPE: u32 = 0xf;

const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

#[cfg(test)]
mod tests {
    use super::super::program::PERM;
    use super::*;

    #[test]
    fn what_a_compromised_process_would_want_is_not_there() {
        let rules = rules();
        for call in [
            libc::SYS_listen,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_kill,
            libc::SYS_tkill,
            libc::SYS_pidfd_send_signal,
            libc::SYS_mount,
            libc::SYS_bpf,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_perf_event_open,
            libc::SYS_keyctl,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_personality,
            libc::SYS_memfd_create,
            libc::SYS_init_module,
            libc::SYS_setuid,
            libc::SYS_setresuid,
            libc::SYS_mknodat,
            libc::SYS_chroot,
        ] {
            assert_eq!(rules.get(&number(call)), None, "{call}");
        }
        let fails: Vec<_> = rules.values().filter(|rule| matches!(rule, Rule::Fail(error) if *error != PERM)).collect();
        assert_eq!(fails.len(), 3);
    }
}
