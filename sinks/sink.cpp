#include "sinks/sink.hpp"

namespace settle::sinks {

std::string_view overwrite_text(Overwrite overwrite) {
  switch (overwrite) {
    case Overwrite::none:
      return "none";
    case Overwrite::max_wins:
      return "max_wins";
    case Overwrite::last_wins:
      return "last_wins";
    case Overwrite::append_log:
      return "append_log";
  }
  return "none";
}

boost::asio::awaitable<engine::Result<std::vector<StoredSample>>> Sink::stored(
    std::vector<std::string> /*series*/, engine::TimeRange /*timestamps*/) {
  co_return engine::refused("this sink cannot be read back");
}

}  // namespace settle::sinks
