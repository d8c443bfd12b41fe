CREATE TABLE `access_tokens` (
	`hash` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`scope` text NOT NULL,
	`services` text,
	`tenant` text,
	`created_at` integer NOT NULL,
	`created_by` text,
	`expires_at` integer,
	`revoked_at` integer,
	`used_at` integer,
	`used_from` text
);
--> statement-breakpoint
ALTER TABLE `events` ADD `actor` text;--> statement-breakpoint
ALTER TABLE `events` ADD `origin` text;--> statement-breakpoint
ALTER TABLE `events` ADD `operation` text;--> statement-breakpoint
INSERT INTO `access_tokens` (`hash`, `name`, `scope`, `created_at`) SELECT `hash`, 'old-' || substr(`hash`, 1, 6), 'admin', `created_at` FROM `tokens`;
