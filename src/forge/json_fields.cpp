#include "json_fields.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <simdjson.h>

namespace belay::forge {
namespace {

using nlohmann::json;

constexpr std::size_t kDeepest = 64;  // spec/decisions.md 27
constexpr int kUnwanted = -1;
// What is longer is read without being built: at most a few times this size is kept for the next
// one, by each thread that reads.
constexpr std::size_t kBuilt = std::size_t{256} * 1024;

// A name on the way to a wanted field; an array's element is its child "[]".
struct Node {
    std::string path;
    std::map<std::string, int, std::less<>> children;
    std::optional<FieldType> type;  // of a wanted field
    bool strict = false;            // it is no hint, or holds what is none
};

std::vector<Node> make_tree(const std::vector<Field>& wanted) {
    std::vector<Node> tree(1);
    auto child = [&tree](int parent, std::string_view name, std::string path) {
        auto fresh = static_cast<int>(tree.size());
        auto [place, added] =
            tree[static_cast<std::size_t>(parent)].children.try_emplace(std::string(name), fresh);
        auto index = place->second;
        if (added) tree.push_back(Node{std::move(path), {}, {}, false});
        return index;
    };
    for (const auto& field : wanted) {
        int node = 0;
        auto enter = [&](int next) {
            node = next;
            if (field.type != FieldType::hint) tree[static_cast<std::size_t>(node)].strict = true;
        };
        enter(0);
        for (std::size_t at = 0; at < field.path.size();) {
            auto end = std::min(field.path.find('.', at), field.path.size());
            auto name = field.path.substr(at, end - at);
            auto path = std::string(field.path.substr(0, end));
            bool elements = name.ends_with("[]");
            if (elements) name.remove_suffix(2);
            enter(child(node, name, elements ? path.substr(0, path.size() - 2) : path));
            if (elements) enter(child(node, "[]", path));
            at = end + 1;
        }
        tree[static_cast<std::size_t>(node)].type = field.type;
    }
    return tree;
}

// The lists of wanted fields are few and stay the same.
const std::vector<Node>& tree_of(const std::vector<Field>& wanted) {
    struct Known {
        std::vector<std::pair<std::string, FieldType>> wanted;
        std::vector<Node> tree;
    };
    constexpr std::size_t kMost = 64;
    thread_local std::map<const Field*, Known> trees;
    if (trees.size() > kMost) trees.clear();
    auto& known = trees[wanted.data()];
    auto same = [](const Field& field, const std::pair<std::string, FieldType>& other) {
        return field.path == other.first && field.type == other.second;
    };
    if (!known.tree.empty() &&
        std::equal(wanted.begin(), wanted.end(), known.wanted.begin(), known.wanted.end(), same))
        return known.tree;
    known.wanted.clear();
    for (const auto& field : wanted)
        known.wanted.emplace_back(field.path, field.type);
    known.tree = make_tree(wanted);
    return known.tree;
}

class Reader : public nlohmann::json_sax<json> {
  public:
    // The tree outlives it.
    Reader(const std::vector<Node>& tree, const FieldSink& sink)
        : tree_(tree), seen_(tree.size()), sink_(sink) {}

    Result<std::optional<std::string>> read(std::string_view text) {
        return outcome(json::sax_parse(text.begin(), text.end(), this));
    }
    Result<std::optional<std::string>> outcome(bool whole) {
        if (!whole) return Error{Errc::invalid, failure_};
        return wrong_type_;
    }

    bool null() override { return scalar(std::nullopt); }
    bool boolean(bool value) override { return scalar(FieldValue(value)); }
    bool number_integer(number_integer_t) override { return number(); }
    bool number_unsigned(number_unsigned_t) override { return number(); }
    bool number_float(number_float_t, const string_t&) override { return number(); }
    bool binary(binary_t&) override { return false; }  // not of JSON
    bool string(string_t& value) override { return scalar(FieldValue(std::move(value))); }

    bool start_object(std::size_t) override { return open(false); }
    bool start_array(std::size_t) override { return open(true); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override { return enter(name); }
    // Whether the value to come has to be looked at.
    bool wanted() { return place() != kUnwanted; }
    bool enter(std::string_view name) {
        next_ = kUnwanted;
        if (open_.back() == kUnwanted) return true;
        const auto& children = at(open_.back()).children;
        auto place = children.find(name);
        if (place == children.end()) return true;
        auto seen = seen_[static_cast<std::size_t>(place->second)];
        if (seen) return fail("the field \"" + at(place->second).path + "\" appears twice");
        seen = true;
        next_ = place->second;
        return true;
    }

    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception&) override {
        return fail("no valid JSON at byte " + std::to_string(position));
    }

  private:
    const Node& at(int node) const { return tree_[static_cast<std::size_t>(node)]; }

    bool fail(std::string why) {
        if (failure_.empty()) failure_ = std::move(why);
        return false;
    }

    // The node that the value to come belongs to.
    int place() {
        if (open_.empty()) return 0;
        if (!arrays_.back()) return next_;
        if (open_.back() == kUnwanted) return kUnwanted;
        const auto& children = at(open_.back()).children;
        auto element = children.find("[]");
        return element == children.end() ? kUnwanted : element->second;
    }

    // Whether to go on reading.
    bool complain(const Node& node) {
        if (node.path.empty()) return fail("the body must be an object");
        if (wrong_type_ || !node.strict) return true;
        std::string_view type = "an object";
        if (node.type) type = *node.type == FieldType::boolean ? "true or false" : "a string";
        if (node.children.contains("[]")) type = "an array";
        wrong_type_ = "the field \"" + node.path + "\" must be " + std::string(type);
        return true;
    }

    bool number() {
        auto node = place();
        return node == kUnwanted || complain(at(node));
    }

    bool scalar(std::optional<FieldValue> value) {
        auto index = place();
        if (index == kUnwanted) return true;
        const auto& node = at(index);
        if (!value) {
            // Null is how "none" is said, but it is no body and no element.
            if (index == 0 || arrays_.back()) return complain(node);
        } else if (!node.type ||
                   (*node.type == FieldType::boolean) != std::holds_alternative<bool>(*value)) {
            return complain(node);
        } else {
            sink_(node.path, std::move(*value));
        }
        return true;
    }

    bool open(bool array) {
        if (open_.size() == kDeepest) return fail("nested deeper than 64");
        auto index = place();
        if (index != kUnwanted) {
            const auto& node = at(index);
            // A field that may be a text or an object is wanted as both.
            bool fits = !node.children.empty() && node.children.contains("[]") == array;
            if (fits) {
                for (const auto& [name, child] : node.children)
                    seen_[static_cast<std::size_t>(child)] = false;
                if (!array && node.path.ends_with("[]"))
                    sink_(node.path, FieldValue(std::string()));
            } else {
                if (!complain(node)) return false;
                index = kUnwanted;
            }
        }
        open_.push_back(index);
        arrays_.push_back(array);
        return true;
    }

    bool close() {
        open_.pop_back();
        arrays_.pop_back();
        return true;
    }

    const std::vector<Node>& tree_;
    std::vector<bool> seen_;  // of each node: in the object that is being read
    const FieldSink& sink_;
    std::vector<int> open_;  // nodes of the objects and arrays around
    std::vector<bool> arrays_;
    int next_ = kUnwanted;  // of the key just read
    std::string failure_;
    std::optional<std::string> wrong_type_;
};

// Tells the reader of a text that is known to be valid, all but what it does not want.
class Walk {
  public:
    explicit Walk(Reader& reader) : reader_(reader) {}

    bool value(simdjson::dom::element element) {
        using simdjson::dom::element_type;
        switch (element.type()) {
            case element_type::OBJECT:
                return object(element.get_object().value_unsafe());
            case element_type::ARRAY:
                return array(element.get_array().value_unsafe());
            case element_type::STRING: {
                std::string text(element.get_string().value_unsafe());
                return reader_.string(text);
            }
            case element_type::BOOL:
                return reader_.boolean(element.get_bool().value_unsafe());
            case element_type::NULL_VALUE:
                return reader_.null();
            default:
                return reader_.number_integer(0);  // whatever it is: no number is ever wanted
        }
    }

  private:
    bool object(simdjson::dom::object object) {
        if (!reader_.start_object(0)) return false;
        for (auto field : object) {
            if (!reader_.enter(field.key)) return false;
            if (reader_.wanted() && !value(field.value)) return false;
        }
        return reader_.end_object();
    }
    bool array(simdjson::dom::array array) {
        if (!reader_.start_array(0)) return false;
        if (reader_.wanted())
            for (auto element : array)
                if (!value(element)) return false;
        return reader_.end_array();
    }

    Reader& reader_;
};

// simdjson reads on behind the end, by no more than its padding. Within the page of the last byte
// that does no harm, whatever lies there, so that most texts need no copy (simdjson's
// doc/performance.md, "Free Padding").
bool ends_well_within_a_page(std::string_view text) {
    constexpr std::uintptr_t kPage = 4096;  // of all kinds of machines the smallest
    auto end = reinterpret_cast<std::uintptr_t>(text.data()) + text.size();
    return end % kPage != 0 && end % kPage + simdjson::SIMDJSON_PADDING <= kPage;
}

// None where it has to be read the other way: it is long, or no valid JSON, of which the other
// reader can say where, or unusual (numbers that no double holds).
std::optional<Result<std::optional<std::string>>> read_built(std::string_view text,
                                                             const std::vector<Field>& wanted,
                                                             const FieldSink& sink) {
    if (text.size() > kBuilt) return std::nullopt;
    thread_local simdjson::dom::parser parser;
    if (parser.capacity() == 0 && parser.allocate(kBuilt, kDeepest) != simdjson::SUCCESS)
        return std::nullopt;
    auto parsed = parser.parse(text.data(), text.size(), !ends_well_within_a_page(text));
    if (parsed.error() != simdjson::SUCCESS) return std::nullopt;
    Reader reader(tree_of(wanted), sink);
    const bool whole = Walk(reader).value(parsed.value_unsafe());
    return reader.outcome(whole);
}

}  // namespace

Result<std::optional<std::string>> read_fields(std::string_view json,
                                               const std::vector<Field>& wanted,
                                               const FieldSink& sink) {
    if (auto read = read_built(json, wanted, sink)) return std::move(*read);
    Reader reader(tree_of(wanted), sink);
    return reader.read(json);
}

}  // namespace belay::forge
