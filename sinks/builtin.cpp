#include "sinks/builtin.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

Capabilities Builtin::capabilities() const {
  return {.overwrite = Overwrite::last_wins, .out_of_order_window = std::nullopt};
}

asio::awaitable<SinkHealth> Builtin::check() {
  SinkHealth health;
  health.reachable = true;
  health.server = "the store of this daemon";
  health.meaning = "Results are served from the store; corrections replace what they correct.";
  health.capabilities = capabilities();
  co_return health;
}

std::optional<std::string> Builtin::refuse(const Row&, engine::Time) const {
  return std::nullopt;
}

asio::awaitable<PushOutcome> Builtin::push(std::vector<Row>) {
  co_return PushOutcome{};
}

asio::awaitable<engine::Result<std::vector<bool>>> Builtin::holds(std::vector<Row> rows) {
  co_return std::vector<bool>(rows.size(), true);
}

}  // namespace settle::sinks
