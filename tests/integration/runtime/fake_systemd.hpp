// org.freedesktop.systemd1 with one unit, shop.service, on a bus of the test's own: as much of it
// as Belay asks for.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <systemd/sd-bus.h>
#include <thread>
#include <vector>

namespace belay::test {

class FakeSystemd {
  public:
    struct Unit {
        std::string load = "loaded";
        std::string active = "active";
        std::string sub = "running";
        std::string result = "success";
        bool can_reload = true;
        std::uint32_t job = 0;
        std::uint32_t main_pid = 42;
        std::uint32_t restarts = 0;
        std::int32_t main_code = 0;  // CLD_EXITED, ...; 0: runs
        std::int32_t main_status = 0;
        std::uint8_t invocation = 7;
    };

    explicit FakeSystemd(const std::string& address) {
        must(::sd_bus_new(&bus_));
        must(::sd_bus_set_address(bus_, address.c_str()));
        must(::sd_bus_set_bus_client(bus_, 1));
        must(::sd_bus_start(bus_));
        must(::sd_bus_add_object_vtable(bus_, nullptr, "/org/freedesktop/systemd1",
                                        "org.freedesktop.systemd1.Manager", kManager, this));
        must(::sd_bus_add_object_vtable(bus_, nullptr, kUnitPath, "org.freedesktop.systemd1.Unit",
                                        kUnit, this));
        must(::sd_bus_add_object_vtable(bus_, nullptr, kUnitPath,
                                        "org.freedesktop.systemd1.Service", kService, this));
        must(::sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0));
        thread_ = std::thread([this] { serve(); });
    }
    FakeSystemd(const FakeSystemd&) = delete;
    FakeSystemd& operator=(const FakeSystemd&) = delete;
    ~FakeSystemd() {
        over_ = true;
        thread_.join();
        ::sd_bus_close_unref(bus_);
    }

    void set(Unit unit) {
        std::lock_guard lock(mutex_);
        unit_ = std::move(unit);
        changed_ = true;
    }
    // "done", "failed", ...; empty: the job does not end.
    void jobs_end_as(std::string result) {
        std::lock_guard lock(mutex_);
        job_result_ = std::move(result);
    }
    // The error's name; empty: everything is allowed.
    void refuse_with(std::string error) {
        std::lock_guard lock(mutex_);
        refusal_ = std::move(error);
    }
    std::vector<std::string> calls() const {
        std::lock_guard lock(mutex_);
        return calls_;
    }

  private:
    static constexpr const char* kUnitPath = "/org/freedesktop/systemd1/unit/shop_2eservice";

    static void must(int code) {
        if (code < 0) throw std::runtime_error(std::strerror(-code));
    }

    void serve() {
        while (!over_) {
            while (::sd_bus_process(bus_, nullptr) > 0) {
            }
            if (changed_.exchange(false)) {
                ::sd_bus_emit_properties_changed(bus_, kUnitPath, "org.freedesktop.systemd1.Unit",
                                                 "ActiveState", nullptr);
                ::sd_bus_flush(bus_);
            }
            ::sd_bus_wait(bus_, 2'000);
        }
    }

    // Of the unit's acts: StartUnit and its like, with a job, and ResetFailedUnit.
    static int act(sd_bus_message* message, void* data, sd_bus_error*) {
        auto* self = static_cast<FakeSystemd*>(data);
        const std::string member = ::sd_bus_message_get_member(message);
        std::string result, refusal;
        {
            std::lock_guard lock(self->mutex_);
            self->calls_.push_back(member);
            result = self->job_result_;
            refusal = self->refusal_;
        }
        if (!refusal.empty())
            return ::sd_bus_reply_method_errorf(message, refusal.c_str(), "not you");
        if (member == "ResetFailedUnit") return ::sd_bus_reply_method_return(message, "");
        ++self->jobs_;
        const auto path = "/org/freedesktop/systemd1/job/" + std::to_string(self->jobs_);
        const int code = ::sd_bus_reply_method_return(message, "o", path.c_str());
        if (code < 0 || result.empty()) return code;
        return ::sd_bus_emit_signal(self->bus_, "/org/freedesktop/systemd1",
                                    "org.freedesktop.systemd1.Manager", "JobRemoved", "uoss",
                                    self->jobs_, path.c_str(), "shop.service", result.c_str());
    }
    static int load(sd_bus_message* message, void*, sd_bus_error*) {
        return ::sd_bus_reply_method_return(message, "o", kUnitPath);
    }
    static int subscribe(sd_bus_message* message, void*, sd_bus_error*) {
        return ::sd_bus_reply_method_return(message, "");
    }
    static int get(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
                   void* data, sd_bus_error*) {
        auto* self = static_cast<FakeSystemd*>(data);
        std::lock_guard lock(self->mutex_);
        const auto& unit = self->unit_;
        const std::string name = property;
        if (name == "Id") return ::sd_bus_message_append(reply, "s", "shop.service");
        if (name == "LoadState") return ::sd_bus_message_append(reply, "s", unit.load.c_str());
        if (name == "ActiveState") return ::sd_bus_message_append(reply, "s", unit.active.c_str());
        if (name == "SubState") return ::sd_bus_message_append(reply, "s", unit.sub.c_str());
        if (name == "Result") return ::sd_bus_message_append(reply, "s", unit.result.c_str());
        if (name == "CanReload") return ::sd_bus_message_append(reply, "b", unit.can_reload);
        if (name == "Job") return ::sd_bus_message_append(reply, "(uo)", unit.job, "/");
        if (name == "MainPID") return ::sd_bus_message_append(reply, "u", unit.main_pid);
        if (name == "NRestarts") return ::sd_bus_message_append(reply, "u", unit.restarts);
        if (name == "ExecMainCode") return ::sd_bus_message_append(reply, "i", unit.main_code);
        if (name == "ExecMainStatus") return ::sd_bus_message_append(reply, "i", unit.main_status);
        if (name == "InvocationID") {
            const std::vector<std::uint8_t> bytes(16, unit.invocation);
            return ::sd_bus_message_append_array(reply, 'y', bytes.data(), bytes.size());
        }
        return -ENOENT;
    }

    static const sd_bus_vtable kManager[];
    static const sd_bus_vtable kUnit[];
    static const sd_bus_vtable kService[];

    sd_bus* bus_ = nullptr;
    std::thread thread_;
    std::atomic<bool> over_ = false;
    std::uint32_t jobs_ = 0;
    mutable std::mutex mutex_;
    std::atomic<bool> changed_ = false;
    Unit unit_;
    std::string job_result_ = "done";
    std::string refusal_;
    std::vector<std::string> calls_;
};

inline const sd_bus_vtable FakeSystemd::kManager[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("LoadUnit", "s", "o", load, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Subscribe", "", "", subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RestartUnit", "ss", "o", act, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ReloadUnit", "ss", "o", act, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ResetFailedUnit", "s", "", act, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
    SD_BUS_VTABLE_END};
inline const sd_bus_vtable FakeSystemd::kUnit[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Id", "s", get, 0, 0),
    SD_BUS_PROPERTY("LoadState", "s", get, 0, 0),
    SD_BUS_PROPERTY("ActiveState", "s", get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("SubState", "s", get, 0, 0),
    SD_BUS_PROPERTY("CanReload", "b", get, 0, 0),
    SD_BUS_PROPERTY("Job", "(uo)", get, 0, 0),
    SD_BUS_PROPERTY("InvocationID", "ay", get, 0, 0),
    SD_BUS_VTABLE_END};
inline const sd_bus_vtable FakeSystemd::kService[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Result", "s", get, 0, 0),
    SD_BUS_PROPERTY("MainPID", "u", get, 0, 0),
    SD_BUS_PROPERTY("NRestarts", "u", get, 0, 0),
    SD_BUS_PROPERTY("ExecMainCode", "i", get, 0, 0),
    SD_BUS_PROPERTY("ExecMainStatus", "i", get, 0, 0),
    SD_BUS_VTABLE_END};

}  // namespace belay::test
