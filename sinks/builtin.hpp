// sinks/builtin.hpp: the sink of results that stay in the store and are served from there.
#pragma once

#include "sinks/sink.hpp"

namespace settle::sinks {

/// The commit that emitted a row already holds it, so that pushing is only saying so.
class Builtin final : public Sink {
 public:
  [[nodiscard]] Capabilities capabilities() const override;
  boost::asio::awaitable<SinkHealth> check() override;
  [[nodiscard]] std::optional<std::string> refuse(const Row& row, engine::Time now) const override;
  boost::asio::awaitable<PushOutcome> push(std::vector<Row> rows) override;
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<Row> rows) override;
};

}  // namespace settle::sinks
