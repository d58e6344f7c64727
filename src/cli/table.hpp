// Aligned columns of text.
#pragma once

#include "format.hpp"

#include <string>
#include <vector>

namespace belay::cli {

struct Cell {
    std::string text;
    Style style = Style::plain;
};

// How far a rendering may go.
struct Canvas {
    int width = 0;  // 0: unlimited; only a table's last column is cut
    bool color = false;
    TimePoint now{};
};

class Table {
  public:
    // Empty titles: no header line.
    explicit Table(std::vector<std::string> titles) : titles_(std::move(titles)) {}

    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.empty(); }
    // Columns in which no row says anything are left out.
    std::string render(const Canvas& canvas, int indent = 0) const;

  private:
    std::vector<int> widths() const;

    std::vector<std::string> titles_;
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace belay::cli
