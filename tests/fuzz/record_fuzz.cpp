// Records of the engine's log. Bit 0 of the first byte: counter output; bit 1: hold; bit 2: absent zero;
// bit 3: learned, with a tolerance.
// Whatever is loaded must be usable.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/stabilizer/engine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace settle::engine;
  if (size == 0) return 0;
  EngineOptions options;
  options.watch = options.ttl = std::chrono::minutes{3};
  if ((data[0] & 1U) != 0) options.output = Output::counter;
  if ((data[0] & 2U) != 0) options.corrections = Corrections::hold;
  if ((data[0] & 4U) != 0) options.absent = Absent::zero;
  if ((data[0] & 8U) != 0) options.finality = Learned{.error_target = 0.5, .tolerance = 0.01};
  const std::vector<NewSeries> series{
      {.number = 1, .text = "m"}, {.number = 2, .text = "m{s=\"1\"}"}, {.number = 3, .text = "m{s=\"2\"}"}};
  const std::string_view record{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto engine = Engine::load(options, series, {&record, 1});
  if (!engine) return 0;
  const Time now = engine->live_from() + std::chrono::minutes{10};
  (void)engine->cells();
  (void)engine->finality_view();
  (void)engine->recheck_due(now);
  (void)engine->newest_final_bucket();
  (void)engine->clone().flush(now);
  (void)engine->expire(now);
  (void)engine->drain_changes();
  (void)engine->release(engine->live_from() + options.granularity);
  (void)engine->drain_changes();
  return 0;
}
