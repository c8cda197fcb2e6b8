#include "runner/real_clocks.hpp"

#include <algorithm>
#include <list>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace settle::runner {

namespace asio = boost::asio;
using engine::Duration;
using engine::Time;

namespace {

// A system clock may be stepped while we sleep: look at it at least this often.
constexpr std::chrono::milliseconds kSliceMax{1'000};

Time system_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

}  // namespace

struct RealClocks::Impl {
  asio::any_io_executor executor;
  ClockOptions options;
  SteadyTime born = std::chrono::steady_clock::now();
  Time newest{};
  bool stopped = false;
  std::list<asio::steady_timer*> sleepers;

  [[nodiscard]] Time clock() const {
    if (!options.start) return system_now();
    const std::chrono::duration<double, std::milli> real = std::chrono::steady_clock::now() - born;
    return *options.start + Duration{static_cast<std::int64_t>(real.count() * options.speed)};
  }
};

RealClocks::RealClocks(asio::any_io_executor executor, ClockOptions options)
    : impl_(std::make_shared<Impl>()) {
  impl_->executor = std::move(executor);
  impl_->options = options;
  impl_->newest = options.floor.value_or(options.start.value_or(Time{}));
}

RealClocks::~RealClocks() = default;

Time RealClocks::source_now() {
  impl_->newest = std::max(impl_->newest, impl_->clock());
  return impl_->newest;
}

Duration RealClocks::behind() {
  return std::max(impl_->newest - impl_->clock(), Duration{});
}

SteadyTime RealClocks::steady_now() {
  return std::chrono::steady_clock::now();
}

Time RealClocks::wall_now() {
  return system_now();
}

asio::awaitable<void> RealClocks::sleep_for(std::chrono::milliseconds real) {
  const std::shared_ptr<Impl> impl = impl_;
  if (impl->stopped) {
    co_return;
  }
  asio::steady_timer timer{impl->executor, real};
  const auto place = impl->sleepers.insert(impl->sleepers.end(), &timer);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  impl->sleepers.erase(place);
}

asio::awaitable<void> RealClocks::sleep_until_source(Time at) {
  const double speed = impl_->options.start ? impl_->options.speed : 1.0;
  while (!impl_->stopped) {
    const Duration left = at - source_now();
    if (left <= Duration::zero()) {
      co_return;
    }
    const auto real = static_cast<std::int64_t>(static_cast<double>(left.count()) / speed) + 1;
    const std::chrono::milliseconds slice = std::min(kSliceMax, std::chrono::milliseconds{real});
    co_await sleep_for(slice);
  }
}

void RealClocks::stop() {
  impl_->stopped = true;
  for (asio::steady_timer* timer : impl_->sleepers) {
    timer->cancel();
  }
}

}  // namespace settle::runner
