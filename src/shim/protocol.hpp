// What belay and belay-shim agree on. Frozen as version 1: a shim outlives the daemon that started
// it, so a newer daemon must go on speaking this.
//
// Specification (descriptor 3): "belay-spec 1", then KEY, VALUE pairs, then "end"; each ended by a
// NUL. Keys: mode (tied, kept), run, token, arg*, env* (NAME=VALUE), cwd, uid, gid, group*, nofile
// (both limits), nofile-soft (the soft one alone), nproc, fsize, as, umask (octal), cgroup* (a
// directory to join, of one hierarchy each), listener* (name; its descriptor is 10, 11, …),
// stop-signal (number), stop-to (tree, main), stop-timeout (ms), policy (never, always). Unknown
// keys are refused.
//
// Control (descriptor 4), a stream socket; lines. From the shim: "identity 1 BOOT PID START TOKEN",
// "refused WHY", "started PID START", "failed STEP ERRNO", and of a tied one at its end "exited
// CODE SIGNAL PEAK CPU". To it: "go", and for a tied one "stop" and "kill". EOF before "go": it
// ends and has run nothing. EOF later: a tied one kills its tree.
//
// Socket `s` of a kept one; lines of at most 511 bytes, answered in order by "ok …" or "error …":
//   hello                  ok belay-shim 1 pid=P start=T token=X run=ID      (and events from now
//   on) status                 ok state=S pid=P start=T restarts=N policy=P backoff=MS exits=N
//   code= signal= peak= cpu= at= policy never|always    ok signal NAME|NUMBER     ok to the main
//   program stop                   ok                   by the stop rule; then it ends listeners
//   NAME…        ok N                 with as many descriptors by SCM_RIGHTS: for the next start
//   sockets                ok INODE…            of all sockets that the tree holds (several lines:
//   "more INODE…" first)
// A listener whose listening somebody ends by shutdown(2) is closed, and not handed over again.
// Events: "started PID START", "background PID START" (the main program left, its tree stays),
// "exited CODE SIGNAL PEAK CPU AT", "failed STEP ERRNO", "backoff MS", "policy P", "ended".
//
// Records (fixed size, one pwrite each): lines KEY VALUE…, the last one "sum" with FNV-1a 64 of all
// before it, padded with line ends. PEAK is bytes, CPU ms, AT ms since 1970.
#pragma once

namespace belay::shim {

inline constexpr int kSpecFd = 3;
inline constexpr int kControlFd = 4;
inline constexpr int kIdentityFd = 5;  // from here on of kept ones only
inline constexpr int kExitFd = 6;
inline constexpr int kPolicyFd = 7;
inline constexpr int kSocketFd = 8;
inline constexpr int kFirstListenerFd = 10;

inline constexpr unsigned kMaxListeners = 32;
inline constexpr unsigned kMaxSpec =
    1u << 20;  // bytes; the kernel takes about 2 MiB of argv and environment
inline constexpr unsigned kMaxName = 63;  // of a listener
inline constexpr unsigned kMaxRun = 127;
inline constexpr unsigned kMaxLine = 511;

inline constexpr unsigned kIdentitySize = 512;
inline constexpr unsigned kExitSize = 256;
inline constexpr unsigned kPolicySize = 128;

inline constexpr char kSpecMagic[] = "belay-spec 1";
inline constexpr char kIdentityMagic[] = "belay-identity 1";
inline constexpr char kExitMagic[] = "belay-exit 1";
inline constexpr char kPolicyMagic[] = "belay-policy 1";

}  // namespace belay::shim
