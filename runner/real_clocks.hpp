// runner/real_clocks.hpp: the clocks of a daemon: the system's, or a source time of its own that may run
// fast.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/any_io_executor.hpp>

#include "runner/clocks.hpp"

namespace settle::runner {

struct ClockOptions {
  std::optional<engine::Time> start;  // source time at construction; none: the system clock
  double speed = 1.0;                 // source seconds per real second, > 0
  std::optional<engine::Time> floor;  // source time never reads earlier: what the store has seen
};

/// Used on one event loop.
class RealClocks final : public Clocks {
 public:
  RealClocks(boost::asio::any_io_executor executor, ClockOptions options);
  ~RealClocks() override;
  engine::Time source_now() override;
  engine::Duration behind() override;
  SteadyTime steady_now() override;
  engine::Time wall_now() override;
  boost::asio::awaitable<void> sleep_until_source(engine::Time at) override;
  boost::asio::awaitable<void> sleep_for(std::chrono::milliseconds real) override;
  void stop() override;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace settle::runner
