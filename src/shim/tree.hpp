// The processes below the shim. It is their subreaper, so whatever they do they stay below it.
#pragma once

#include <cstdint>
#include <sys/types.h>

namespace belay::shim {

// Field 22 of /proc/PID/stat; 0 where it is gone.
std::uint64_t start_time(pid_t pid);

// Sends the signal to every process below us; returns how many there were.
unsigned signal_tree(int number);

// Some direct child that lives; 0 where none does.
pid_t first_child();

// Calls back with each name in an open directory.
void each_name(int directory, void (*visit)(int directory, const char* name, void* context),
               void* context);

// Calls back with each process below us.
void each_descendant(void (*visit)(pid_t pid, void* context), void* context);

}  // namespace belay::shim
