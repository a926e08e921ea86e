// A small reader of XML that knows nothing of what it reads: whether a text is well-formed, and its elements in order.
#pragma once
#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <vector>

struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  // directly inside, as it is written
};

class XmlReader {
 public:
  std::vector<XmlElement> elements;
  std::string problem;  // empty: the text is well-formed

  explicit XmlReader(std::string text) : text_(std::move(text)) {
    if (text_.starts_with("<!DOCTYPE")) at_ = text_.find('>') + 1;
    while (problem.empty() && at_ < text_.size()) text_[at_] == '<' ? tag() : words();
    if (problem.empty() && !open_.empty()) problem = "not closed: " + elements[open_.back()].name;
  }

  size_t count(const std::string& name) const {
    return size_t(std::count_if(elements.begin(), elements.end(), [&](const XmlElement& e) { return e.name == name; }));
  }

 private:
  void fail(const std::string& what) {
    if (problem.empty()) problem = what + " near: " + text_.substr(at_ < 30 ? 0 : at_ - 30, 80);
  }
  bool take(const std::string& word) {
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }
  std::string name() {
    const size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-')) ++at_;
    return text_.substr(start, at_ - start);
  }
  void spaces() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  void check_words(const std::string& words) {
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] == '<') fail("a bare <");
      if (static_cast<unsigned char>(words[i]) < 32 && words[i] != '\n' && words[i] != '\t')
        fail("a control character");
      if (words[i] != '&') continue;
      const std::string entity = words.substr(i, words.find(';', i) - i + 1);
      if (entity != "&amp;" && entity != "&lt;" && entity != "&gt;" && entity != "&quot;") fail("a bare &");
    }
  }
  void words() {
    const size_t end = std::min(text_.find('<', at_), text_.size());
    const std::string part = text_.substr(at_, end - at_);
    check_words(part);
    if (!open_.empty())
      elements[open_.back()].text += part;
    else if (part.find_first_not_of(" \n") != part.npos)
      fail("text outside of the root");
    at_ = end;
  }
  void tag() {
    ++at_;
    if (take("/")) {
      const std::string closed = name();
      if (open_.empty() || elements[open_.back()].name != closed) return fail("</" + closed + "> closes nothing");
      open_.pop_back();
      if (!take(">")) fail("a closing tag goes on");
      return;
    }
    XmlElement element{.name = name(), .attributes = {}, .text = {}};
    if (element.name.empty()) return fail("a tag without a name");
    while (problem.empty()) {
      spaces();
      const bool alone = take("/>");
      if (alone || take(">")) {
        if (!alone) open_.push_back(elements.size());
        return elements.push_back(std::move(element));
      }
      const std::string key = name();
      if (key.empty() || !take("=\"")) return fail("an attribute of <" + element.name + "> is broken");
      const size_t end = std::min(text_.find('"', at_), text_.size());
      const std::string value = text_.substr(at_, end - at_);
      check_words(value);
      if (!element.attributes.emplace(key, value).second) fail("twice: " + key);
      at_ = end + 1;
    }
  }

  std::string text_;
  size_t at_ = 0;
  std::vector<size_t> open_;
};
