// Whether one launch has the process's kernels to itself: then its atomic operations need not be atomic. Not here: who asks.
#pragma once

namespace supa {

// A launch under way, from its beginning to its end. Waits while another thread's launch runs alone.
class Underway {
 public:
  Underway();
  ~Underway();
  Underway(const Underway &) = delete;
  Underway &operator=(const Underway &) = delete;

 private:
  bool is_outermost_;
};

// While one lives, this thread runs all of its launch's blocks at hand, and they may ask to be alone.
class Single {
 public:
  Single();
  ~Single();
  Single(const Single &) = delete;
  Single &operator=(const Single &) = delete;

 private:
  bool outer_;
};

// Makes the launch of this thread alone until its `Single` ends, if no other is under way; false where it is not.
bool become_alone();

}  // namespace supa
