#include "kernels.h"

uint32_t kernel_queens_moves(const uint8_t *board, uint32_t row, uint32_t size, uint8_t *moves) {
    uint32_t count = 0;
    for (uint32_t column = 0; column < size; column++) {
        int attacked = 0;
        for (uint32_t above = 0; above < row; above++) {
            uint32_t distance = row - above;
            uint32_t queen = board[above];
            attacked |= (queen == column) | (queen + distance == column) | (queen == column + distance);
        }
        moves[count] = (uint8_t)column;
        count += !attacked;
    }
    return count;
}
