#include "fetchers/fetcher.hpp"

namespace settle::fetchers {

std::string_view failure_text(FetchFailure failure) {
  switch (failure) {
    case FetchFailure::unreachable:
      return "unreachable";
    case FetchFailure::timed_out:
      return "timed_out";
    case FetchFailure::status:
      return "status";
    case FetchFailure::malformed:
      return "malformed";
    case FetchFailure::partial:
      return "partial";
    case FetchFailure::too_large:
      return "too_large";
    case FetchFailure::stopped:
      return "stopped";
  }
  return "unknown";
}

}  // namespace settle::fetchers
