-- SPDX-License-Identifier: GPL-2.0
--
-- A mail-order shop. The comment above a transaction is its title.
-- "Chance" comes from the table dice, so that each run is the same.

-- base: schema, first load
BEGIN;
CREATE TABLE dice(i INTEGER PRIMARY KEY, r INTEGER NOT NULL);
CREATE TABLE customer(
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	city TEXT NOT NULL,
	balance INTEGER NOT NULL DEFAULT 0);
CREATE INDEX customer_city ON customer(city, name);
CREATE TABLE product(
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	price INTEGER NOT NULL CHECK (price > 0),
	stock INTEGER NOT NULL,
	description TEXT NOT NULL);
CREATE INDEX product_stock ON product(stock);
CREATE TABLE orders(
	id INTEGER PRIMARY KEY,
	customer INTEGER NOT NULL REFERENCES customer(id),
	day INTEGER NOT NULL,
	state TEXT NOT NULL DEFAULT 'open',
	total INTEGER NOT NULL DEFAULT 0);
CREATE INDEX orders_customer ON orders(customer, day);
CREATE INDEX orders_state ON orders(state) WHERE state <> 'done';
CREATE TABLE line(
	orders INTEGER NOT NULL REFERENCES orders(id),
	position INTEGER NOT NULL,
	product INTEGER NOT NULL REFERENCES product(id),
	quantity INTEGER NOT NULL,
	PRIMARY KEY (orders, position)) WITHOUT ROWID;
CREATE INDEX line_product ON line(product);
CREATE TABLE ledger(
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	orders INTEGER NOT NULL,
	what TEXT NOT NULL,
	amount INTEGER NOT NULL);
CREATE VIRTUAL TABLE catalogue USING fts5(name, description);

CREATE TRIGGER line_added AFTER INSERT ON line BEGIN
	UPDATE product SET stock = stock - new.quantity WHERE id = new.product;
	UPDATE orders SET total = total + new.quantity *
		(SELECT price FROM product WHERE id = new.product) WHERE id = new.orders;
END;
CREATE TRIGGER order_moved AFTER UPDATE OF state ON orders
WHEN new.state <> old.state BEGIN
	INSERT INTO ledger(orders, what, amount)
		VALUES (new.id, old.state || ' to ' || new.state, new.total);
	UPDATE customer SET balance = balance - new.total
		WHERE id = new.customer AND new.state = 'sent';
	UPDATE customer SET balance = balance + new.total
		WHERE id = new.customer AND new.state = 'done';
END;
CREATE VIEW report AS
	SELECT 'orders ' || state, count(*), sum(total) FROM orders GROUP BY state
	UNION ALL
	SELECT 'best city ' || city, count(*), sum(total)
	FROM orders JOIN customer ON customer.id = orders.customer
	GROUP BY city HAVING sum(total) = (SELECT max(t) FROM (
		SELECT sum(total) AS t FROM orders JOIN customer ON customer.id = orders.customer
		GROUP BY city))
	UNION ALL
	SELECT 'ledger ' || what, count(*), sum(amount) FROM ledger GROUP BY what
	UNION ALL
	SELECT 'found "sturdy lamp"', count(*), sum(rowid)
	FROM catalogue WHERE catalogue MATCH 'sturdy lamp';

WITH RECURSIVE lcg(i, r) AS (
	SELECT 1, 20231113
	UNION ALL
	SELECT i + 1, (r * 1103515245 + 12345) % 2147483648 FROM lcg WHERE i < 16384)
INSERT INTO dice SELECT i, r >> 10 FROM lcg;

WITH word(n, w) AS (VALUES
	(0, 'Abbey'), (1, 'Birch'), (2, 'Cliff'), (3, 'Dale'),
	(4, 'Elm'), (5, 'Fjord'), (6, 'Glen'), (7, 'Heath'))
INSERT INTO customer(id, name, city)
	SELECT i, printf('%s %04d', w, r % 10000),
		substr('north south east  west  coast hill  ', 1 + 6 * (r / 8 % 6), 5)
	FROM dice JOIN word ON n = r % 8 WHERE i <= 6000;

WITH kind(n, w) AS (VALUES
	(0, 'lamp'), (1, 'chair'), (2, 'kettle'), (3, 'rope'), (4, 'clock'), (5, 'shelf')),
quality(n, w) AS (VALUES
	(0, 'sturdy'), (1, 'light'), (2, 'folding'), (3, 'copper'), (4, 'plain'))
INSERT INTO product
	SELECT i, printf('%s no. %d', kind.w, i), 100 + r % 9000, 400 + r % 500,
		printf('A %s %s, tested %d times. It keeps %d years; see page %d of %s.',
			quality.w, kind.w, r % 977, 1 + r % 40, r % 311, hex(r * 7919))
	FROM dice JOIN kind ON kind.n = r / 16 % 6 JOIN quality ON quality.n = r % 5
	WHERE i <= 4000;
INSERT INTO catalogue(rowid, name, description) SELECT id, name, description FROM product;
COMMIT;

-- 1200 orders, 3600 lines
BEGIN;
INSERT INTO orders(id, customer, day)
	SELECT i, 1 + r % 6000, i / 20 FROM dice WHERE i <= 1200;
INSERT INTO line
	SELECT a.i, p.i, 1 + (a.r * 31 + p.r) % 4000, 1 + p.r % 4
	FROM dice a JOIN dice p ON p.i <= 3 WHERE a.i <= 1200;
COMMIT;

-- ANALYZE
ANALYZE;

-- one order
BEGIN;
INSERT INTO orders(id, customer, day) VALUES (10001, 17, 31);
INSERT INTO line VALUES (10001, 1, 42, 2), (10001, 2, 3042, 1);
COMMIT;

-- one price
UPDATE product SET price = price + 5 WHERE id = 1234;

-- 600 orders are sent
UPDATE orders SET state = 'sent' WHERE id % 2 = 0 AND id <= 1200;

-- only reading: sums
SELECT city, count(*), sum(total), avg(total)
	FROM orders JOIN customer ON customer.id = orders.customer GROUP BY city;

-- 60 prices, all over
UPDATE product SET price = price * 11 / 10
	WHERE id IN (SELECT 1 + r % 4000 FROM dice WHERE i BETWEEN 2001 AND 2060);

-- 200 customers move
UPDATE customer SET city = 'abroad'
	WHERE id IN (SELECT 1 + r % 6000 FROM dice WHERE i BETWEEN 2101 AND 2300);

-- 1200 orders, 6000 lines
BEGIN;
INSERT INTO orders(id, customer, day)
	SELECT i, 1 + r % 6000, i / 20 FROM dice WHERE i BETWEEN 1201 AND 2400;
INSERT INTO line
	SELECT a.i, p.i, 1 + (a.r * 17 + p.r) % 4000, 1 + p.r % 3
	FROM dice a JOIN dice p ON p.i BETWEEN 1 AND 5 WHERE a.i BETWEEN 1201 AND 2400;
COMMIT;

-- rolled back: a wild sale
BEGIN;
UPDATE product SET price = 1;
DELETE FROM ledger;
ROLLBACK;

-- a savepoint undone
BEGIN;
UPDATE product SET stock = stock + 100 WHERE id BETWEEN 1000 AND 1400;
SAVEPOINT half;
DELETE FROM line WHERE product BETWEEN 1000 AND 1400;
ROLLBACK TO half;
COMMIT;

-- 300 orders are paid
UPDATE orders SET state = 'done'
	WHERE id IN (SELECT id FROM orders WHERE state = 'sent' ORDER BY total DESC LIMIT 300);

-- 160 texts, indexed
BEGIN;
UPDATE product SET description = 'Now ' || description WHERE id % 25 = 0;
DELETE FROM catalogue WHERE rowid % 25 = 0;
INSERT INTO catalogue(rowid, name, description)
	SELECT id, name, description FROM product WHERE id % 25 = 0;
COMMIT;

-- the lines of 200 orders go
BEGIN;
DELETE FROM line WHERE orders BETWEEN 1300 AND 1499;
DELETE FROM orders WHERE id BETWEEN 1300 AND 1499;
COMMIT;

-- one order again
BEGIN;
INSERT INTO orders(id, customer, day) VALUES (10002, 2001, 76);
INSERT INTO line VALUES (10002, 1, 7, 1);
COMMIT;

-- a new index
CREATE INDEX ledger_orders ON ledger(orders, what);

-- a new column, filled
BEGIN;
ALTER TABLE customer ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
UPDATE customer SET rank = 1 WHERE id IN (SELECT customer FROM orders WHERE total > 40000);
COMMIT;

-- sums into a new table
CREATE TABLE turnover AS
	SELECT product, sum(quantity) AS sold, count(DISTINCT orders) AS times
	FROM line GROUP BY product;

-- the search index merges
INSERT INTO catalogue(catalogue) VALUES ('optimize');

-- every stock is counted
UPDATE product SET stock = stock + 1;

-- half of the dice go
DELETE FROM dice WHERE i > 8192;

-- VACUUM
VACUUM;

-- one price, after VACUUM
UPDATE product SET price = price + 5 WHERE id = 1234;

-- a column dropped
ALTER TABLE customer DROP COLUMN rank;

-- REINDEX
REINDEX;

-- the last order
BEGIN;
INSERT INTO orders(id, customer, day) VALUES (10003, 1500, 77);
INSERT INTO line VALUES (10003, 1, 1999, 3), (10003, 2, 1, 1);
UPDATE orders SET state = 'sent' WHERE id = 10003;
COMMIT;
