ALTER TABLE `changes` ADD `actor` text;--> statement-breakpoint
ALTER TABLE `events` ADD `actor` text;--> statement-breakpoint
ALTER TABLE `events` ADD `origin` text;--> statement-breakpoint
ALTER TABLE `events` ADD `operation` text;--> statement-breakpoint
ALTER TABLE `events` ADD `before` text;--> statement-breakpoint
ALTER TABLE `events` ADD `after` text;--> statement-breakpoint
CREATE INDEX `events_at` ON `events` (`at`);--> statement-breakpoint
ALTER TABLE `tokens` ADD `name` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `tokens` ADD `scope` text DEFAULT 'admin' NOT NULL;--> statement-breakpoint
ALTER TABLE `tokens` ADD `services` text;--> statement-breakpoint
ALTER TABLE `tokens` ADD `created_by` text;--> statement-breakpoint
ALTER TABLE `tokens` ADD `expires_at` integer;--> statement-breakpoint
ALTER TABLE `tokens` ADD `revoked_at` integer;--> statement-breakpoint
ALTER TABLE `tokens` ADD `used_at` integer;--> statement-breakpoint
ALTER TABLE `tokens` ADD `used_from` text;--> statement-breakpoint
UPDATE `tokens` SET `scope` = 'tenant' WHERE `tenant` IS NOT NULL;
