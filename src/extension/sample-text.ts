/** The text of the sample file. The bundled model and the copies complete it at `|`. */
export const sample = `interface Item {
  name: string;
  price: number;
  quantity: number;
}

/** The price of all items. */
export function totalPrice(items: Item[]): number {
  let total = 0;
  for (const item of items) {
    total += item.price * item.quantity;
  }
  return total;
}

/** The number of all items. */
export function totalQuantity(items: Item[]): number {
  let total = 0;
  for (const item of |
}
`;
