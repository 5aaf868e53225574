/** As the database will give it back: what JSON leaves out is left out, what it cannot say is null. */
export const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
