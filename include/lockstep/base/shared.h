// An intrusive reference count and its pointer: one allocation an object, one word a handle.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace lockstep {

// Base of objects that Shared<T> counts. T may define `static void release(T*) noexcept` to recycle
// instead of delete.
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  void retain() const { references_.fetch_add(1, std::memory_order_relaxed); }
  // True when the caller held the last reference.
  bool drop() const {
    if (references_.load(std::memory_order_acquire) == 1) return true;
    return references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  std::uint32_t references() const { return references_.load(std::memory_order_acquire); }

 protected:
  ~Counted() = default;
  // For a recycled object that starts a new life with one reference.
  void revive() const { references_.store(1, std::memory_order_relaxed); }

 private:
  mutable std::atomic<std::uint32_t> references_{1};
};

template <class T> class Shared {
 public:
  Shared() = default;
  // Takes over the reference that a new object is born with.
  static Shared adopt(T* object) {
    Shared handle;
    handle.object_ = object;
    return handle;
  }
  Shared(const Shared& other) : object_(other.object_) {
    if (object_ != nullptr) object_->retain();
  }
  Shared(Shared&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  // From a handle on a derived class.
  template <class U>
  requires std::is_convertible_v<U*, T*> Shared(Shared<U> other)
  noexcept : object_(other.surrender()) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Shared() { reset(); }

  void reset() {
    T* object = std::exchange(object_, nullptr);
    if (object == nullptr || !object->drop()) return;
    if constexpr (requires { T::release(object); }) {
      T::release(object);
    } else {
      delete object;
    }
  }
  // Gives up the reference without dropping it.
  T* surrender() { return std::exchange(object_, nullptr); }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  T* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Shared& a, const Shared& b) { return a.object_ == b.object_; }

 private:
  T* object_ = nullptr;
};

template <class T, class... Arguments> Shared<T> make_shared_object(Arguments&&... arguments) {
  return Shared<T>::adopt(new T(std::forward<Arguments>(arguments)...));
}

}  // namespace lockstep
