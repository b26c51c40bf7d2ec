/** An amount in the smallest unit of a currency, such as cents. */
export interface Money {
  readonly amount: number;
  readonly currency: string;
}

/** Reads an amount such as `12.50`. */
export function parseMoney(text: string, currency: string): Money {
  const match = /^(-?)(\d+)(?:\.(\d{2}))?$/.exec(text.trim());
  if (!match) throw new Error(`${text} is not an amount`);
  const amount = Number(match[2]) * 100 + Number(match[3] ?? 0);
  return { amount: match[1] === '-' ? -amount : amount, currency };
}

/** An amount with two decimals and its currency: `12.50 EUR`. */
export function formatMoney({ amount, currency }: Money): string {
  const sign = amount < 0 ? '-' : '';
  const cents = Math.abs(amount);
  return `${sign}${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')} ${currency}`;
}

/** The sum of amounts of one currency. */
export function addMoney(a: Money, b: Money): Money {
  if (a.currency !== b.currency) throw new Error(`${a.currency} and ${b.currency} cannot be added`);
  return { amount: a.amount + b.amount, currency: a.currency };
}

/** A share of an amount, in percent, rounded to the smallest unit. */
export const percentOf = (money: Money, percent: number): Money => {
  return { ...money, amount: Math.round((money.amount * percent) / 100) };
};

/** Nothing calls it, so no test can guard it. */
export function negate(money: Money): Money {
  return { ...money, amount: -money.amount };
}
