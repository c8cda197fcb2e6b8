#include "net/http_text.hpp"

#include <gtest/gtest.h>

#include "net/http_client.hpp"

namespace settle::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(HttpText, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(url_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(url_encode("a b+c/{é}"), "a%20b%2Bc%2F%7B%C3%A9%7D");
}

TEST(HttpText, DecodesWhatItEncodes) {
  std::string every;
  for (int c = 1; c < 256; ++c) every.push_back(static_cast<char>(c));
  EXPECT_EQ(percent_decode(url_encode(every), false), every);
  EXPECT_EQ(percent_decode(url_encode(every), true), every);
}

TEST(HttpText, RefusesBadEncoding) {
  for (const auto* bad : {"%", "%4", "%zz", "%4g", "a%", "%00", "%-1"}) {
    EXPECT_EQ(percent_decode(bad, false), std::nullopt) << bad;
  }
}

TEST(HttpText, SplitsATargetIntoPathAndQuery) {
  const auto target = parse_target("/a%2Fb+c/d?x=1+2&y&&z=%3D=&x=3");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a/b+c/d");
  const std::vector<std::pair<std::string, std::string>> expected{
      {"x", "1 2"}, {"y", ""}, {"z", "=="}, {"x", "3"}};
  EXPECT_EQ(target->query, expected);
}

TEST(HttpText, RefusesTargetsThatAreNoPath) {
  for (const auto* bad : {"", "*", "http://host/", "a", "/%g0", "/?a=%", "/?%=1"}) {
    EXPECT_FALSE(parse_target(bad)) << bad;
  }
}

TEST(HttpText, ReadsHostAndPort) {
  EXPECT_EQ(parse_host_port("127.0.0.1:0")->host, "127.0.0.1");
  EXPECT_EQ(parse_host_port("[::1]:8428")->host, "::1");
  EXPECT_EQ(parse_host_port("[::1]:8428")->port, 8428);
  for (const auto* bad : {"", "127.0.0.1", ":80", "::1:80", "[::1]", "1.2.3.4:", "1.2.3.4:65536",
                          "1.2.3.4:-1", "1.2.3.4:8x", "[]:80"}) {
    EXPECT_FALSE(parse_host_port(bad)) << bad;
  }
}

TEST(RetryAfter, ReadsSecondsAndDates) {
  const auto now = std::chrono::system_clock::from_time_t(1'700'000'000);  // Tue, 14 Nov 2023 22:13:20 GMT
  const auto read = [&](const std::string& text) { return retry_after({{"retry-after", text}}, now); };
  EXPECT_EQ(read("0"), milliseconds{0});
  EXPECT_EQ(read("120"), milliseconds{seconds{120}});
  EXPECT_EQ(read("7200"), milliseconds{seconds{3600}});
  EXPECT_EQ(read("99999999999999999999999999"), milliseconds{seconds{3600}});
  EXPECT_EQ(read("Tue, 14 Nov 2023 22:13:50 GMT"), milliseconds{seconds{30}});
  EXPECT_EQ(read("Tue, 14 Nov 2023 22:00:00 GMT"), milliseconds{0});
  EXPECT_EQ(read("Wed, 14 Nov 2029 22:00:00 GMT"), milliseconds{seconds{3600}});
  for (const auto* bad : {"", "-1", "soon", "1.5", "Tue, 99 Nov"}) {
    EXPECT_EQ(read(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(retry_after({}, now), std::nullopt);
}

TEST(HttpText, FindsAHeaderByItsLowerName) {
  const std::vector<Header> headers{{"a", "1"}, {"b", "2"}, {"b", "3"}};
  EXPECT_EQ(header_value(headers, "b"), "2");
  EXPECT_EQ(header_value(headers, "c"), "");
}

}  // namespace
}  // namespace settle::net
