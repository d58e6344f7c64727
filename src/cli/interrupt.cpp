#include "interrupt.hpp"

namespace belay::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void on_interrupt(int) {
    g_interrupted = 1;
}

}  // namespace

InterruptGuard::InterruptGuard() {
    g_interrupted = 0;
    struct sigaction action{};
    action.sa_handler = on_interrupt;  // without SA_RESTART: it has to end waits
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, &previous_);
}

InterruptGuard::~InterruptGuard() {
    ::sigaction(SIGINT, &previous_, nullptr);
}

bool InterruptGuard::interrupted() const {
    return g_interrupted != 0;
}

}  // namespace belay::cli
