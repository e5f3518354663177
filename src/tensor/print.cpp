#include "lockstep/tensor/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <ostream>
#include <vector>

namespace lockstep {
namespace {

constexpr std::size_t line_width = 75;

// The shortest digits that name `value` among the numbers of its dtype, but at most `precision`
// after the point.
template <class T> std::string digits(T value, std::chars_format form, int precision) {
  char text[512];
  const auto shortest = std::to_chars(text, text + sizeof text, value, form);
  std::string all(text, shortest.ptr);
  const std::size_t exponent = std::min(all.find('e'), all.size());
  const std::size_t point = std::min(all.find('.'), exponent);
  if (point < exponent && exponent - point - 1 > static_cast<std::size_t>(precision)) {
    const auto rounded = std::to_chars(text, text + sizeof text, value, form, precision);
    all.assign(text, rounded.ptr);
  }
  return all;
}

// A number cut at its point and its exponent; trailing zeros dropped.
struct Parts {
  std::string whole, fraction, exponent;

  explicit Parts(const std::string& text) {
    const std::size_t end = std::min(text.find('e'), text.size());
    const std::size_t point = std::min(text.find('.'), end);
    whole = text.substr(0, point);
    if (point < end) fraction = text.substr(point + 1, end - point - 1);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    exponent = text.substr(end);
  }
};

// How the elements that are shown are written, all in one width.
class Format {
 public:
  Format(const std::vector<double>& shown, DType dtype, int precision)
      : dtype_(dtype), precision_(precision) {
    if (is_floating(dtype)) choose_form(shown);
    for (const double value : shown) width_ = std::max(width_, written(value).size());
  }

  std::string operator()(double value) const {
    const std::string text = written(value);
    return std::string(width_ - text.size(), ' ') + text;
  }

 private:
  // Scientific where plain digits would be many or would hide small values.
  void choose_form(const std::vector<double>& shown) {
    double largest = 0, smallest = std::numeric_limits<double>::infinity();
    for (const double value : shown) {
      if (!std::isfinite(value) || value == 0) continue;
      largest = std::max(largest, std::abs(value));
      smallest = std::min(smallest, std::abs(value));
    }
    is_scientific_ =
        largest >= 1e8 || smallest < 1e-4 || (largest > 0 && largest / smallest > 1000);
    for (const double value : shown) {
      if (std::isfinite(value)) fraction_ = std::max(fraction_, parts(value).fraction.size());
    }
  }

  Parts parts(double value) const {
    const auto form = is_scientific_ ? std::chars_format::scientific : std::chars_format::fixed;
    return Parts(dtype_ == DType::f64 ? digits(value, form, precision_)
                                      : digits(static_cast<float>(value), form, precision_));
  }

  std::string written(double value) const {
    if (dtype_ == DType::boolean) return value != 0 ? "True" : "False";
    if (!is_floating(dtype_)) return std::to_string(static_cast<std::int64_t>(value));
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    Parts number = parts(value);
    number.fraction.resize(fraction_, is_scientific_ ? '0' : ' ');
    return number.whole + "." + number.fraction + number.exponent;
  }

  DType dtype_;
  int precision_;
  bool is_scientific_ = false;
  std::size_t fraction_ = 0;
  std::size_t width_ = 0;
};

// Walks the positions that are shown, twice: to collect their values and to write them.
class Printer {
 public:
  Printer(const Tensor& x, const PrintOptions& options)
      : x_(x), edge_(x.elements() > options.limit ? options.edge : x.elements()) {
    collect(0, 0);
    format_.emplace(shown_, x.dtype(), options.precision);
  }

  std::string text() {
    if (x_.elements() == 0) return "[]";
    if (x_.rank() == 0) {
      std::string number = (*format_)(shown_[0]);
      if (number.back() == '.') number.push_back('0');
      return number;
    }
    return block(0, line_width);
  }

 private:
  bool is_cut(int axis) const { return x_.shape()[axis] > 2 * edge_; }
  bool is_shown(int axis, std::int64_t i) const {
    return !is_cut(axis) || i < edge_ || i >= x_.shape()[axis] - edge_;
  }

  void collect(int axis, std::int64_t offset) {
    if (x_.elements() == 0) return;
    if (axis == x_.rank()) {
      shown_.push_back(element(offset));
      return;
    }
    for (std::int64_t i = 0; i < x_.shape()[axis]; ++i) {
      if (is_shown(axis, i)) collect(axis + 1, offset + i * x_.strides()[axis]);
    }
  }

  double element(std::int64_t offset) const {
    return Tensor(x_.storage(), x_.offset() + offset, {}, {}, x_.dtype()).item();
  }

  // Everything of one axis and those within it, in brackets.
  std::string block(int axis, std::size_t width) {
    std::string text(1, '[');
    text += axis + 1 == x_.rank() ? row(axis, width - 1) : rows(axis, width - 1);
    text += ']';
    return text;
  }

  std::string rows(int axis, std::size_t width) {
    const std::string separator(static_cast<std::size_t>(x_.rank() - axis - 1), '\n');
    const std::string indent(static_cast<std::size_t>(axis) + 1, ' ');
    std::string text;
    for (std::int64_t i = 0; i < x_.shape()[axis]; ++i) {
      if (is_cut(axis) && i == edge_) text += separator + indent + "...";
      if (!is_shown(axis, i)) continue;
      if (i > 0) text += separator + indent;
      text += block(axis + 1, width);
    }
    return text;
  }

  std::string row(int axis, std::size_t width) {
    const std::string indent(static_cast<std::size_t>(axis) + 1, ' ');
    std::string text, line = indent;
    const auto put = [&](const std::string& word) {
      if (line.size() > indent.size() && line.size() + 1 + word.size() > width) {
        text += line + "\n";
        line = indent;
      }
      if (line.size() > indent.size()) line.push_back(' ');
      line += word;
    };
    for (std::int64_t i = 0; i < x_.shape()[axis]; ++i) {
      if (is_cut(axis) && i == edge_) put("...");
      if (is_shown(axis, i)) put((*format_)(shown_[next_++]));
    }
    return (text + line).substr(indent.size());
  }

  const Tensor& x_;
  std::int64_t edge_;
  std::vector<double> shown_;
  std::optional<Format> format_;
  std::size_t next_ = 0;
};

}  // namespace

std::string to_string(const Tensor& x, const PrintOptions& options) {
  return x.is_defined() ? Printer(x, options).text() : "(undefined)";
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << to_string(x); }

}  // namespace lockstep
