ALTER TABLE `deliveries` ADD `claimed_by` text;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `claimed_until` integer;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_message` ON `deliveries` (`webhook`,`message_id`);