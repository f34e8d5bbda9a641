/* A packed intent from another language: docs/formats.md, section 4. TRANSFER_TYPE is the type id of
   `intent Transfer{src:u64,dst:u64,amount:i64}`. On a little-endian machine the structs are the bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct header {
    char magic[4];
    uint8_t parts;
    uint8_t source_kind;
    uint16_t argument_words;
    uint64_t type;
};

struct transfer {
    uint64_t src;
    uint64_t dst;
    int64_t amount;
};

int main(int count, char **given)
{
    struct header header = {{'M', 'M', 'I', 1}, 1, 0, sizeof(struct transfer) / 8, TRANSFER_TYPE};
    struct transfer transfer;
    char id[16] = "written in C";

    if (count != 4)
        return 2;
    transfer.src = strtoull(given[1], NULL, 10);
    transfer.dst = strtoull(given[2], NULL, 10);
    transfer.amount = strtoll(given[3], NULL, 10);
    fwrite(&header, sizeof header, 1, stdout);
    fwrite(id, sizeof id, 1, stdout);
    fwrite(&transfer, sizeof transfer, 1, stdout);
    return 0;
}
