#include "runner/views/feeds.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <set>

#include <xxhash.h>

namespace settle::runner {

using engine::Time;

std::string feed_id(const Stream& stream) {
  JobSpec spec;
  spec.source = stream.source;
  spec.selector = stream.selector;
  spec.view = stream.view;
  const std::string text = feed_identity(spec);
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  std::array<char, 33> id{};
  std::snprintf(id.data(), id.size(), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return id.data();
}

FeedSpec Feeds::feed_spec(const Stream& stream) {
  return {.name = {.tenant = stream.tenant, .id = feed_id(stream)},
          .selector = stream.selector,
          .cells = stream.view->cells,
          .options = stream.view->feed};
}

Feed::Parts Feeds::feed_parts(const std::string& source) const {
  return {.store = parts_.store,
          .clocks = parts_.clocks,
          .pool = parts_.pool,
          .source = [find = parts_.source, source] { return find(source); }};
}

engine::Result<void> Feeds::load(Logs& logs) {
  for (const Stream* stream : parts_.registry.streams()) {
    if (!stream->view) {
      continue;
    }
    const Key key{stream->tenant, feed_id(*stream)};
    const auto stored = logs.find(key);
    if (stored == logs.end() || feeds_.contains(key)) {
      continue;
    }
    auto feed = Feed::load(feed_parts(stream->source), feed_spec(*stream), std::move(stored->second));
    if (!feed) {
      return feed.error();
    }
    feeds_.emplace(key, *std::move(feed));
    logs.erase(stored);
  }
  return {};
}

std::shared_ptr<ViewFetcher> Feeds::of(const Stream& stream) {
  std::shared_ptr<ViewFetcher>& view = views_[{stream.tenant, stream.id}];
  if (!view) {
    std::shared_ptr<Feed>& feed = feeds_[{stream.tenant, feed_id(stream)}];
    if (!feed) {
      feed = std::make_shared<Feed>(feed_parts(stream.source), feed_spec(stream));
    }
    view = std::make_shared<ViewFetcher>(feed, *stream.view);
  }
  return view;
}

const ViewFetcher* Feeds::find(const std::string& tenant, const std::string& stream_id) const {
  const auto found = views_.find({tenant, stream_id});
  return found == views_.end() ? nullptr : found->second.get();
}

bool Feeds::knows(const std::string& tenant, const std::string& id) const {
  return feeds_.contains({tenant, id});
}

void Feeds::tidy(const ReadTransaction& view, WriteBatch& batch) {
  std::erase_if(views_, [this](const auto& one) {
    return parts_.registry.find_stream(one.first.first, one.first.second) == nullptr;
  });
  std::set<Key> used;
  std::set<std::string> tenants;
  std::map<const Feed*, std::optional<Time>> needed;  // none: a view did not tick yet
  for (const Stream* stream : parts_.registry.streams()) {
    tenants.insert(stream->tenant);
    if (!stream->view) {
      continue;
    }
    used.emplace(stream->tenant, feed_id(*stream));
    const ViewFetcher* fetcher = find(stream->tenant, stream->id);
    if (fetcher == nullptr || stream->job_ids.empty()) {
      continue;
    }
    const std::optional<Time> from = fetcher->needs_from();
    const auto [at, first] = needed.try_emplace(&fetcher->feed(), from);
    if (!first) {
      at->second = at->second && from ? std::optional{std::min(*at->second, *from)} : std::nullopt;
    }
  }
  for (auto& [key, feed] : feeds_) {
    const auto from = needed.find(feed.get());
    if (from != needed.end() && from->second) {
      feed->keep_from(*from->second);
    }
    tenants.insert(key.first);
  }
  std::erase_if(feeds_, [&used](const auto& one) { return !used.contains(one.first); });
  std::vector<FeedName> unused;
  for (const std::string& tenant : tenants) {
    for (std::string& id : stored_feeds(view, tenant)) {
      if (!used.contains({tenant, id})) {
        unused.push_back({.tenant = tenant, .id = std::move(id)});
      }
    }
  }
  if (!unused.empty()) {
    erase_feeds(view, unused, batch);
  }
}

}  // namespace settle::runner
