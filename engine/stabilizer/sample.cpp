#include "engine/stabilizer/sample.hpp"

#include <array>

namespace settle::engine {

namespace {
constexpr std::array kReasons{Reason::settled, Reason::ttl,      Reason::correction,
                              Reason::flush,   Reason::backfill, Reason::stale};
}

std::string_view reason_text(Reason reason) {
  switch (reason) {
    case Reason::settled:
      return "settled";
    case Reason::ttl:
      return "ttl";
    case Reason::correction:
      return "correction";
    case Reason::flush:
      return "flush";
    case Reason::backfill:
      return "backfill";
    case Reason::stale:
      return "stale";
  }
  return "";
}

std::optional<Reason> parse_reason(std::string_view text) {
  for (const Reason reason : kReasons) {
    if (reason_text(reason) == text) return reason;
  }
  return std::nullopt;
}

}  // namespace settle::engine
