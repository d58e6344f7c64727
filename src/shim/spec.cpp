#include "spec.hpp"

#include "text.hpp"

#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

namespace belay::shim {

namespace {

struct Input {
    char* at;
    char* end;

    // The next NUL-ended field, or null.
    char* next() {
        if (at >= end) return nullptr;
        auto* stop = static_cast<char*>(std::memchr(at, '\0', static_cast<std::size_t>(end - at)));
        if (stop == nullptr) return nullptr;
        auto* field = at;
        at = stop + 1;
        return field;
    }
};

void* reserve(std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

// Pages that nothing was read into never become resident.
const char* read_input(int fd, Input& input) {
    auto* memory = static_cast<char*>(reserve(kMaxSpec + 1));
    if (memory == nullptr) return "no memory";
    std::size_t length = 0;
    while (length <= kMaxSpec) {
        auto got = read(fd, memory + length, kMaxSpec + 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return "specification cannot be read";
        if (got == 0) break;
        length += static_cast<std::size_t>(got);
    }
    if (length > kMaxSpec) return "specification is longer than 1 MiB";
    input = {memory, memory + length};
    return nullptr;
}

bool parse_id(const char* text, std::uint64_t& id) {
    // The highest value means "no change" to setresuid(2).
    return parse_number(text, id) && id < 0xffffffffu;
}

class Reader {
  public:
    explicit Reader(Spec& spec) : spec_(spec) {}

    bool take(const char* key, char* value) {
        std::uint64_t number = 0;
        if (equal(key, "mode")) return word(value, "tied", "kept", spec_.kept);
        if (equal(key, "policy")) return word(value, "never", "always", spec_.always);
        if (equal(key, "run")) return text(value, kMaxRun, spec_.run);
        if (equal(key, "token")) return text(value, 64, spec_.token);
        if (equal(key, "cwd")) return text(value, 4095, spec_.cwd) && value[0] == '/';
        if (equal(key, "cgroup")) return cgroup(value);
        if (equal(key, "arg")) return push(spec_.argv, argc_, value);
        if (equal(key, "env")) return variable(value);
        if (equal(key, "listener")) return listener(value);
        if (equal(key, "stop-to")) return stop_to(value);
        if (equal(key, "nofile")) return parse_number(value, spec_.nofile);
        if (equal(key, "nofile-soft")) return parse_number(value, spec_.nofile_soft);
        if (equal(key, "nproc")) return parse_number(value, spec_.nproc);
        if (equal(key, "fsize")) return parse_number(value, spec_.fsize);
        if (equal(key, "as")) return parse_number(value, spec_.as);
        if (equal(key, "stop-timeout")) return parse_number(value, spec_.stop_timeout_ms);
        if (equal(key, "first-backoff")) return parse_number(value, spec_.first_backoff_ms);
        if (equal(key, "umask")) {
            if (!parse_number(value, number, 8) || number > 0777) return false;
            spec_.mask = static_cast<mode_t>(number);
            return true;
        }
        if (equal(key, "stop-signal")) {
            spec_.stop_signal = signal_number(value);
            return spec_.stop_signal != 0;
        }
        if (equal(key, "uid")) {
            has_uid_ = true;
            if (!parse_id(value, number)) return false;
            spec_.uid = static_cast<uid_t>(number);
            return true;
        }
        if (equal(key, "gid")) {
            has_gid_ = true;
            if (!parse_id(value, number)) return false;
            spec_.gid = static_cast<gid_t>(number);
            return true;
        }
        if (equal(key, "group")) {
            if (spec_.group_count == kMaxGroups || !parse_id(value, number)) return false;
            spec_.groups[spec_.group_count++] = static_cast<gid_t>(number);
            return true;
        }
        return false;
    }

    const char* finish() {
        if (argc_ == 0 || spec_.argv[0][0] == '\0') return "specification names no program";
        if (has_uid_ != has_gid_) return "specification has only one of uid and gid";
        if (spec_.token[0] == '\0') return "specification has no token";
        spec_.change_user = has_uid_;
        return nullptr;
    }

    bool reserve_tables(std::size_t fields) {
        auto* table =
            static_cast<char**>(reserve((fields + 2 + kListenVariables) * 2 * sizeof(char*)));
        spec_.argv = table;
        spec_.env = table == nullptr ? nullptr : table + fields + 2;
        return table != nullptr;
    }

  private:
    static bool word(const char* value, const char* no, const char* yes, bool& chosen) {
        chosen = equal(value, yes);
        return chosen || equal(value, no);
    }
    static bool text(const char* value, std::size_t longest, const char*& place) {
        place = value;
        return value[0] != '\0' && std::strlen(value) <= longest;
    }
    static bool push(char** table, std::size_t& count, char* value) {
        table[count++] = value;
        return true;
    }
    bool variable(char* value) {
        auto* sign = std::strchr(value, '=');
        if (sign == nullptr || sign == value) return false;
        if (std::strncmp(value, "PATH=", 5) == 0) spec_.path = value + 5;
        return push(spec_.env, spec_.env_count, value);
    }
    bool listener(const char* value) {
        if (spec_.listener_count == kMaxListeners || !listener_name_is_valid(value)) return false;
        spec_.listener_names[spec_.listener_count++] = value;
        return true;
    }
    bool cgroup(const char* value) {
        if (spec_.cgroup_count == kMaxCgroups) return false;
        return text(value, 4000, spec_.cgroups[spec_.cgroup_count++]) && value[0] == '/';
    }
    bool stop_to(const char* value) {
        bool main = false;
        if (!word(value, "tree", "main", main)) return false;
        spec_.stop_to = main ? StopTo::main : StopTo::tree;
        return true;
    }

    Spec& spec_;
    std::size_t argc_ = 0;
    bool has_uid_ = false;
    bool has_gid_ = false;
};

std::size_t count_fields(const Input& input) {
    std::size_t count = 0;
    for (const auto* at = input.at; at < input.end; ++at)
        count += *at == '\0';
    return count;
}

}  // namespace

bool listener_name_is_valid(const char* name) {
    std::size_t length = 0;
    for (; name[length] != '\0'; ++length)
        if (name[length] <= ' ' || name[length] > '~' || name[length] == ':') return false;
    return length > 0 && length <= kMaxName;
}

const char* read_spec(int fd, Spec& spec) {
    Input input{};
    if (const char* refusal = read_input(fd, input)) return refusal;
    Reader reader(spec);
    if (!reader.reserve_tables(count_fields(input) / 2)) return "no memory";
    const char* magic = input.next();
    if (magic == nullptr || !equal(magic, kSpecMagic)) return "not a specification of version 1";
    for (;;) {
        const char* key = input.next();
        if (key == nullptr) return "specification is cut off";
        if (equal(key, "end")) break;
        char* value = input.next();
        if (value == nullptr) return "specification is cut off";
        if (!reader.take(key, value)) return key;
    }
    if (input.at != input.end) return "specification goes on after its end";
    return reader.finish();
}

}  // namespace belay::shim
