// SQLite's file layer with faults on request: failing fsyncs, and a count of those that happened.
#pragma once

#include <sqlite3.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace belay::test {

// While it lives every database that is opened goes through it. One at a time; set its switches
// while the store is idle.
class FaultVfs {
  public:
    FaultVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
        vfs_.zName = "belay-faults";
        vfs_.pNext = nullptr;
        vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
        vfs_.pAppData = this;
        vfs_.xOpen = &open;
        if (sqlite3_vfs_register(&vfs_, 1)) throw std::runtime_error("sqlite3_vfs_register");
    }
    FaultVfs(const FaultVfs&) = delete;
    FaultVfs& operator=(const FaultVfs&) = delete;
    ~FaultVfs() {
        sqlite3_vfs_unregister(&vfs_);
        sqlite3_vfs_register(real_, 1);
    }

    int log_syncs = 0;
    bool fail_log_sync = false;
    bool fail_database_sync = false;

  private:
    struct File {
        sqlite3_file base;
        FaultVfs* owner;
        bool log;
        sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    };
    static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }

    static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
        auto* self = static_cast<FaultVfs*>(vfs->pAppData);
        auto& ours = of(file);
        ours.owner = self;
        ours.log = (flags & SQLITE_OPEN_WAL) != 0;
        auto code = self->real_->xOpen(self->real_, name, ours.real(), flags, out);
        ours.base.pMethods = ours.real()->pMethods ? &methods() : nullptr;
        return code;
    }

    static int sync(sqlite3_file* file, int flags) {
        auto& ours = of(file);
        if (ours.log) ++ours.owner->log_syncs;
        auto fails = ours.log ? ours.owner->fail_log_sync : ours.owner->fail_database_sync;
        return fails ? SQLITE_IOERR_FSYNC : ours.real()->pMethods->xSync(ours.real(), flags);
    }

    // Version 1: no shared memory, which an exclusive connection does without.
    static const sqlite3_io_methods& methods() {
        static const sqlite3_io_methods table = [] {
            sqlite3_io_methods made{};
            made.iVersion = 1;
            made.xClose = [](sqlite3_file* f) {
                return of(f).real()->pMethods->xClose(of(f).real());
            };
            made.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
                return of(f).real()->pMethods->xRead(of(f).real(), to, size, at);
            };
            made.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
                return of(f).real()->pMethods->xWrite(of(f).real(), from, size, at);
            };
            made.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
                return of(f).real()->pMethods->xTruncate(of(f).real(), size);
            };
            made.xSync = &sync;
            made.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
                return of(f).real()->pMethods->xFileSize(of(f).real(), size);
            };
            made.xLock = [](sqlite3_file* f, int lock) {
                return of(f).real()->pMethods->xLock(of(f).real(), lock);
            };
            made.xUnlock = [](sqlite3_file* f, int lock) {
                return of(f).real()->pMethods->xUnlock(of(f).real(), lock);
            };
            made.xCheckReservedLock = [](sqlite3_file* f, int* out) {
                return of(f).real()->pMethods->xCheckReservedLock(of(f).real(), out);
            };
            made.xFileControl = [](sqlite3_file* f, int op, void* argument) {
                return of(f).real()->pMethods->xFileControl(of(f).real(), op, argument);
            };
            made.xSectorSize = [](sqlite3_file* f) {
                return of(f).real()->pMethods->xSectorSize(of(f).real());
            };
            made.xDeviceCharacteristics = [](sqlite3_file* f) {
                return of(f).real()->pMethods->xDeviceCharacteristics(of(f).real());
            };
            return made;
        }();
        return table;
    }

    sqlite3_vfs* real_;
    sqlite3_vfs vfs_;
};

}  // namespace belay::test
