/** The price that a record stands for: a close, else a trade's or tick's price, else the middle of a book or a mark; undefined: it has none. */
export const priceOf = (values: Readonly<Record<string, number>>): number | undefined =>
  values.close ?? values.price ?? values.mid_price ?? values.mark_price;
