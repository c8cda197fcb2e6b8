// net/http_session.hpp: one connection of the server: reads requests one after another, each within its
// limits.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/http_server.hpp"

namespace settle::net {

/// What the sessions of one server have in common.
struct SessionRules {
  ServerLimits limits;
  Handler handler;
  Refuse refuse;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(boost::asio::ip::tcp::socket socket, std::shared_ptr<const SessionRules> rules);

  /// No further request after the one in progress; without one, the connection is closed now.
  void close_when_idle();
  void cut();

 private:
  friend class SessionRun;
  /// Cancels the socket's operations after `limit`, again and again until the next call: a composed operation
  /// that is between two steps would miss a single cancellation.
  void set_deadline(std::chrono::milliseconds limit);
  void clear_deadline();
  void arm(std::chrono::milliseconds after, unsigned generation);

  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<const SessionRules> rules_;
  boost::asio::steady_timer deadline_;
  unsigned deadline_generation_ = 0;
  bool deadline_passed_ = false;
  bool in_request_ = false;
  bool closing_ = false;
};

/// Serves the connection until it ends; never throws.
boost::asio::awaitable<void> run_session(std::shared_ptr<Session> session);
/// Answers what `refuse` says, whatever is asked, and closes.
boost::asio::awaitable<void> turn_away(std::shared_ptr<Session> session, int status, std::string detail);

}  // namespace settle::net
