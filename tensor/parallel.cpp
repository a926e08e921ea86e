// The thread pool. One job at a time: its owner opens the gate, works along, closes the gate and waits until
// the last helper has left. A helper that comes late finds the gate closed and has missed nothing, so the
// owner never waits for a thread to wake up.
//
// Each thread starts with its own share of the pieces (so that the same thread, and its cache, sees the same
// rows in the next operation) and then takes what is left of the others'.
#include "tensor/parallel.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "tensor/cpu.h"
#include "tensor/environment.h"
#include "tensor/error.h"

namespace fovea {
namespace {

constexpr auto kSpinTime = std::chrono::microseconds(50);  // then a waiting helper goes to sleep
constexpr int kMaxThreads = 1024;

thread_local bool inside_piece = false;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Tests `done` over and over for the time of kSpinTime; returns whether it came true.
template <class Done> bool spin_until(Done done) {
  if (done()) return true;
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() - start < kSpinTime);
  return false;
}

void run_inline(int64_t n, int64_t grain, PieceFn fn) {
  for (int64_t begin = 0; begin < n; begin += grain) fn(begin, n - begin < grain ? n : begin + grain);
}

class Pool {
 public:
  explicit Pool(int threads) : threads_(threads) {}

  int threads() const { return threads_.load(std::memory_order_relaxed); }

  void resize(int count) {
    const std::lock_guard owner(owner_);
    stop_helpers();
    threads_.store(count, std::memory_order_relaxed);
  }

  // Runs the pieces with the help of the pool; false if another thread owns it just now.
  bool run(int64_t n, int64_t grain, PieceFn fn) {
    const std::unique_lock owner(owner_, std::try_to_lock);
    if (!owner) return false;
    start_helpers();
    n_ = n, grain_ = grain, fn_ = &fn, error_ = nullptr;
    divide((n + grain - 1) / grain);
    const uint32_t ticket = (gate_.load(std::memory_order_relaxed) + kOneTicket) & kTicket;
    gate_.store(ticket | kOpen);
    gate_.notify_all();
    work(0);
    gate_.fetch_and(~kOpen);
    const auto helpers_left = [&] { return (gate_.load(std::memory_order_acquire) & kInside) == 0; };
    while (!spin_until(helpers_left)) std::this_thread::yield();
    if (error_) std::rethrow_exception(error_);
    return true;
  }

 private:
  // The gate: a ticket that each job advances | how many helpers are inside | open or closed.
  static constexpr uint32_t kOpen = 1, kOneInside = 2, kInside = 0xffe, kOneTicket = 0x1000, kTicket = 0xfffff000;

  // The pieces [next, end) that a thread begins with, alone in its cache line.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void divide(int64_t pieces) {
    const int64_t count = threads();
    for (int64_t i = 0; i < count; ++i) {
      shares_[i].next.store(i * pieces / count, std::memory_order_relaxed);
      shares_[i].end = (i + 1) * pieces / count;
    }
  }

  // Works pieces off until none is left: first the thread's own share, then those of its neighbours.
  void work(int self) {
    inside_piece = true;
    const int count = threads();
    for (int i = 0; i < count; ++i) {
      Share& share = shares_[(self + i) % count];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
        if (piece < share.end) run_piece(piece);
      }
    }
    inside_piece = self != 0;  // a helper is always inside
  }

  void run_piece(int64_t piece) {
    const int64_t begin = piece * grain_;
    try {
      (*fn_)(begin, n_ - begin < grain_ ? n_ : begin + grain_);
    } catch (...) {
      const std::lock_guard lock(error_lock_);
      if (!error_) error_ = std::current_exception();
      for (int i = 0; i < threads(); ++i) shares_[i].next.store(shares_[i].end, std::memory_order_relaxed);
    }
  }

  void help(int self) {
    uint32_t seen = 0;  // the ticket of the last job this helper knows of
    while (true) {
      uint32_t gate = gate_.load(std::memory_order_acquire);
      const auto new_job = [&] {
        gate = gate_.load(std::memory_order_acquire);
        return (gate & kTicket) != seen;
      };
      if (!spin_until(new_job)) {
        while (!new_job()) gate_.wait(gate);
      }
      seen = gate & kTicket;
      if (stopping_.load(std::memory_order_relaxed)) return;
      while (gate & kOpen && (gate & kTicket) == seen) {
        if (!gate_.compare_exchange_weak(gate, gate + kOneInside, std::memory_order_acquire)) continue;
        work(self);
        gate_.fetch_sub(kOneInside, std::memory_order_release);
        break;
      }
    }
  }

  void start_helpers() {
    if (!helpers_.empty()) return;
    const int count = threads();
    shares_ = std::make_unique<Share[]>(size_t(count));
    gate_.store(0);
    try {
      for (int i = 1; i < count; ++i) helpers_.emplace_back([this, i] { help(i); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are do the work.
    }
  }

  void stop_helpers() {
    stopping_.store(true, std::memory_order_relaxed);
    gate_.fetch_add(kOneTicket);
    gate_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
    helpers_.clear();
    stopping_.store(false, std::memory_order_relaxed);
  }

  std::atomic<int> threads_;
  std::mutex owner_;  // held by the thread whose job runs
  std::vector<std::thread> helpers_;

  alignas(64) std::atomic<uint32_t> gate_{0};
  std::atomic<bool> stopping_{false};
  // The job. Written while the gate is closed and nobody inside, read by those who came in through it.
  int64_t n_ = 0, grain_ = 1;
  const PieceFn* fn_ = nullptr;
  std::unique_ptr<Share[]> shares_;
  std::mutex error_lock_;
  std::exception_ptr error_;
};

// The pool is never destroyed: a helper may still sleep in it while the program's statics go.
std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
  if (Pool* ready = the_pool.load(std::memory_order_acquire)) return *ready;
  static std::mutex creating;
  const std::lock_guard lock(creating);
  if (Pool* ready = the_pool.load(std::memory_order_acquire)) return *ready;
  const int64_t count = environment_threads().value_or(usable_cores());
  // Only the forking thread lives on in a child; it gets a pool without helpers, which start when they are
  // needed.
  static const int registered = pthread_atfork(nullptr, nullptr, [] {
    if (Pool* parents = the_pool.load()) the_pool.store(new Pool(parents->threads()));
  });
  static_cast<void>(registered);
  the_pool.store(new Pool(int(count)), std::memory_order_release);
  return *the_pool.load();
}

}  // namespace

int threads() { return pool().threads(); }

void set_threads(int count) {
  if (count == pool().threads()) return;
  if (count < 1 || count > kMaxThreads) {
    fail(ErrorKind::value, "set_threads: ", count, " is not from 1 to ", kMaxThreads);
  }
  if (inside_piece) fail(ErrorKind::value, "set_threads: called from inside a parallel_for");
  pool().resize(count);
}

void run_pieces(int64_t n, int64_t grain, PieceFn fn) {
  if (inside_piece || pool().threads() == 1 || !pool().run(n, grain, fn)) run_inline(n, grain, fn);
}

}  // namespace fovea
